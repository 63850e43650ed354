// Trains with the package `residual` that is installed in the working directory. The argument is
// the configuration as JSON.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(join(process.cwd(), 'package.json'))
const folder = join(require.resolve('residual/package.json'), '..')
const { train } = await import(pathToFileURL(join(folder, 'dist', 'index.js')).href)
const { dir } = await train(JSON.parse(process.argv[2]))
process.stdout.write(`${folder}\n${dir}\n`)
