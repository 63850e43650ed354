const WORD_KEYS: Record<string, string> = { data: 'source', model: 'arch' }

/**
 * The key that a bare word stands for: `model: 'resnet18'` is `model: { arch: 'resnet18' }`,
 * `optimizer: 'adamw'` is `optimizer: { type: 'adamw' }`. For programs that change single values
 * of a configuration.
 *
 * @param key the key that holds the word: `model`
 *
 * @example
 * ```ts
 * import { type TrainConfig, wordKey } from 'residual'
 *
 * const config: TrainConfig = { data: './photos', model: 'resnet18' }
 * const model = { [wordKey('model')]: config.model, shortcut: 'A' }
 * console.log(model) // { arch: 'resnet18', shortcut: 'A' }
 * ```
 */
export function wordKey(key: string): string {
  return WORD_KEYS[key] ?? 'type'
}
