import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { node, ROOT } from '../child.js'
import { installPackage } from './installed-package.js'

const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

const SOURCE = `
import { type Inspection, inspect, ResidualError } from 'residual'

inspect('resnet18').then(
  ({ parameters }: Inspection) => console.log(parameters),
  (error: unknown) => console.log(error instanceof ResidualError),
)
`

/** Compiler options, the file of the program, and its output, if Node can run it. */
const FORMATS = [
  { module: 'node16', moduleResolution: 'node16', source: 'main.mts', output: 'main.mjs' },
  { module: 'nodenext', moduleResolution: 'nodenext', source: 'main.mts', output: 'main.mjs' },
  // TypeScript knows that Node 20.19 and later can require an ES module.
  { module: 'nodenext', moduleResolution: 'nodenext', source: 'main.cts', output: 'main.cjs' },
  { module: 'esnext', moduleResolution: 'bundler', source: 'main.mts', output: 'main.mjs' },
  { module: 'preserve', moduleResolution: 'bundler', source: 'main.mts', output: 'main.mjs' },
]

for (const { module, moduleResolution, source, output } of FORMATS) {
  test(`TypeScript: ${source} with module ${module} and moduleResolution ${moduleResolution}`, async (t) => {
    const { folder, installed } = installPackage(t)
    mkdirSync(installed('@types'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules/@types/node'), installed('@types/node'))
    symlinkSync(join(ROOT, 'node_modules/undici-types'), installed('undici-types'))
    writeFileSync(join(folder, source), SOURCE)
    const options = { target: 'es2023', module, moduleResolution, types: ['node'], strict: true }
    const config = { compilerOptions: options, files: [source] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const compiled = await node([TSC, '--project', folder], { cwd: folder })
    t.is(compiled.status, 0, compiled.stdout)
    const { stdout, stderr } = await node([output], { cwd: folder })
    t.is(stderr, '')
    t.is(stdout, '11689512\n')
  })
}
