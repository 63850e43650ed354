// Imported for its side effect before all other modules, which fail in an older Node with errors
// that do not name the cause.
import { ResidualError } from '../errors/errors.js'
import { describeUnsupportedNode } from './node-version.js'

const problem = describeUnsupportedNode()
if (problem !== undefined) {
  const hint = 'Install a current version of Node from https://nodejs.org.'
  throw new ResidualError({ code: 'E_PLATFORM', message: problem, hint })
}
