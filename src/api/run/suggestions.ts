import { coreAddon } from '../../native/addon.js'

/**
 * Returns the setting whose key is most similar to a word, in the syntax of JavaScript:
 * `optimizer: { weightDecay: 0.1 }` for `weight-decay` and `0.1`; undefined if no key is similar.
 *
 * @param value text of the value, as JSON or as a string
 */
export function suggestSetting(word: string, value: string | undefined): string | undefined {
  return tryAddon(() => coreAddon().nearestSetting(word, value))
}

/** Returns the hint "Did you mean ...?"; undefined if no name is similar to a misspelled word. */
export function didYouMean(word: string, names: readonly string[]): string | undefined {
  const name = tryAddon(() => coreAddon().nearestName(word, [...names]))
  return name === undefined ? undefined : `Did you mean '${name}'?`
}

/** Calls the addon; returns undefined if it fails, since an error message must not depend on it. */
function tryAddon(find: () => string | null | undefined): string | undefined {
  try {
    return find() ?? undefined
  } catch {
    return undefined
  }
}
