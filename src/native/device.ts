/** The `device` key of a configuration; `auto` is CUDA if it can be used, otherwise the CPU. */
export type RequestedDevice = 'cpu' | 'cuda' | 'auto'

/** Returns the `device` of a configuration or request that has not been validated yet. */
export function requestedDevice(config: unknown): RequestedDevice {
  const device = (config as { device?: unknown } | null | undefined)?.device
  return device === 'cpu' || device === 'cuda' ? device : 'auto'
}
