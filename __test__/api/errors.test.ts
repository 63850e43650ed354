import test from 'ava'
import { AbortError, type ErrorCode, exitStatus, ResidualError } from 'residual'

test('every failure says what to do next, whoever made it', (t) => {
  for (const code of Object.keys(exitStatus) as ErrorCode[]) {
    const { hint } = new ResidualError({ code, message: 'x' })
    t.regex(hint, /^[A-Z`].*\.$/, code)
    t.is(new ResidualError({ code, message: 'x', hint: 'Do that.' }).hint, 'Do that.')
  }
  t.regex(new AbortError('x', '/run/last.safetensors', undefined).hint, /resume: "\/run\/last/)
  t.regex(new AbortError('x', undefined, undefined).hint, /again/)
})
