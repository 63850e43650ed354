import { realpathSync } from 'node:fs'

/**
 * Removes duplicate runs or checkpoints: in `runs/*`, the link `runs/latest` repeats another run.
 * The last name of each is kept, since `latest` sorts before most names.
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
