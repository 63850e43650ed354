import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAME = 'residual'

/** Folders that npm adds to PATH for `npx` and `npm run`. */
const LOCAL_BIN = /[\\/](node_modules[\\/]\.bin|node-gyp-bin)[\\/]?$/

/**
 * Returns the command as the user must type it: `residual` if it is on the PATH, otherwise
 * `npx residual`. The folders that npm itself adds to the PATH do not count, since the user's
 * shell does not have them.
 */
export function commandName(env: NodeJS.ProcessEnv = process.env): string {
  const isRunByNpm = env.npm_config_user_agent !== undefined || env.npm_execpath !== undefined
  const isOnPath = (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && !(isRunByNpm && LOCAL_BIN.test(folder)))
    .some((folder) => isExecutable(join(folder, NAME)))
  return isOnPath ? NAME : `npx ${NAME}`
}

/** Replaces `residual` at the start of each command in backticks by `commandName()`. */
export function withCommandName(text: string): string {
  return text.includes(`\`${NAME} `) ? text.replaceAll(`\`${NAME} `, `\`${commandName()} `) : text
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
