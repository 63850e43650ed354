/**
 * What the pages call as `residual`: the real one, told to be brief. A page that it serves until
 * Ctrl-C gets its Ctrl-C as soon as the address is printed.
 */
import { briefly } from './brief.js'

const [verb] = process.argv.slice(2)
process.argv.push(...briefly(process.argv.slice(2)))
if (verb === 'dashboard') {
  process.stdout.write = new Proxy(process.stdout.write, {
    apply(write, stream, words) {
      process.kill(process.pid, 'SIGINT')
      return Reflect.apply(write, stream, words)
    },
  })
  process.on('exit', () => {
    if (process.exitCode === 130) process.exitCode = 0 // as was asked for
  })
}
await import('#dist/cli/main.js')
