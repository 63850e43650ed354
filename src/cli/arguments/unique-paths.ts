import { realpathSync } from 'node:fs'

/**
 * The runs or checkpoints of a command line, each once: of `runs/*`, `runs/latest` is one of the
 * others. The name that was given last stays, for `latest` comes before most.
 */
export function distinct(paths: readonly string[]): string[] {
  return [...new Map(paths.map((path) => [placeOf(path), path])).values()]
}

function placeOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path // whoever opens it says what is wrong with it
  }
}
