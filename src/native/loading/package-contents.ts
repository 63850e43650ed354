import { existsSync } from 'node:fs'
import { ResidualError } from '../../errors/errors.js'
import { reinstallHint } from './install-hints.js'
import { packageFile } from './package-files.js'

/** Creates the error for a file or folder of this package that is missing or lacks files. */
export function incompletePackageError(...path: string[]): ResidualError {
  const file = packageFile(...path)
  const problem = existsSync(file) ? 'is damaged' : 'is missing'
  return new ResidualError({
    code: 'E_PLATFORM',
    message: `the package residual is incomplete: ${path.join('/')} ${problem}`,
    at: { file },
    hint: reinstallHint(),
  })
}
