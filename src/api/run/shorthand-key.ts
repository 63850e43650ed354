const SHORTHAND_KEYS: Record<string, string> = { data: 'source', model: 'arch' }

/**
 * Returns the key that a shorthand string sets: `model: 'resnet18'` is `model: { arch: 'resnet18'
 * }`, and `optimizer: 'adamw'` is `optimizer: { type: 'adamw' }`.
 *
 * @param key the configuration key that holds the string, such as `model`
 */
export function shorthandKey(key: string): string {
  return SHORTHAND_KEYS[key] ?? 'type'
}
