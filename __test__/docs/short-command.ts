/**
 * The command `residual` of the example project, with additional arguments that shorten training.
 * The dashboard, which runs until Ctrl-C, is interrupted when it prints its address.
 */
import { shortArguments } from './short-runs.js'

const [verb] = process.argv.slice(2)
process.argv.push(...shortArguments(process.argv.slice(2)))
if (verb === 'dashboard') {
  process.stdout.write = new Proxy(process.stdout.write, {
    apply(write, stream, args) {
      process.kill(process.pid, 'SIGINT')
      return Reflect.apply(write, stream, args)
    },
  })
  process.on('exit', () => {
    if (process.exitCode === 130) process.exitCode = 0 // the expected exit status
  })
}
await import('#dist/cli/main.js')
