import { realpathSync } from 'node:fs'

/**
 * Removes paths that refer to the same run or checkpoint: `runs/*` contains the newest run twice,
 * since `runs/latest` is a link to it. The last path is kept, since `latest` sorts before most
 * names.
 */
export function uniquePaths(paths: readonly string[]): string[] {
  return [...new Map(paths.map((path) => [resolveLinks(path), path])).values()]
}

function resolveLinks(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // the command that opens the path reports the error
  }
}
