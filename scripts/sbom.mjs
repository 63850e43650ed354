// npm run sbom: software bills of materials (CycloneDX 1.5, JSON) of the npm package and of the
// addons, which are written to pack/ and named as the tarballs.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { platformManifests } from './pack/manifests.mjs'
import { PACK, tarballPath } from './pack/tarball.mjs'
import { addonsBom } from './sbom/addons.mjs'
import { packageBom } from './sbom/package.mjs'
import { PLATFORM, PLATFORM_NAME } from './setup/platform.mjs'
import { ROOT, runScript } from './setup.mjs'

await runScript(import.meta.url, async () => {
  const clone = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const { addons } = platformManifests(PLATFORM_NAME, PLATFORM, clone)
  await mkdir(PACK, { recursive: true })
  for (const [manifest, bom] of /** @type {const} */ ([
    [clone, await packageBom(clone)],
    [addons, await addonsBom(addons)],
  ])) {
    const file = tarballPath(manifest).replace(/\.tgz$/, '.cdx.json')
    await writeFile(file, `${JSON.stringify(bom, undefined, 2)}\n`)
    process.stdout.write(`${relative(ROOT, file)}: ${bom.components.length} components\n`)
  }
})
