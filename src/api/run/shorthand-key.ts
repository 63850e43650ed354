const WORD_KEYS: Record<string, string> = { data: 'source', model: 'arch' }

/**
 * The key that a bare word stands for: `model: 'resnet18'` is `model: { arch: 'resnet18' }`,
 * `optimizer: 'adamw'` is `optimizer: { type: 'adamw' }`. For programs that change single values
 * of a configuration.
 *
 * @param key the key that holds the word: `model`
 *
 * @example
 * const model = { [wordKey('model')]: 'resnet18', shortcut: 'A' }
 * console.log(model) // { arch: 'resnet18', shortcut: 'A' }
 */
export function wordKey(key: string): string {
  return WORD_KEYS[key] ?? 'type'
}
