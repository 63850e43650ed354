import type { ExportConfig, TrainConfig } from '../../native/generated.js'

/** A file that `exportModel()` of a window writes. */
export interface ExportRequest {
  /** A file with the extension `.safetensors` or `.onnx`, for example from a save dialog. */
  path: string
  config?: ExportConfig | undefined
}

/**
 * Functions of the main process for requests of a window. `request` is what the page passed: check
 * it, because a page may be taken over. A request without a handler is refused. A handler that
 * returns `undefined` declines the request, for example after a cancelled dialog.
 */
export interface WindowHandlers {
  /** Returns the configuration of the run to start. */
  train?(request: unknown): TrainConfig | undefined | Promise<TrainConfig | undefined>
  /** Returns the file to export the model of the run to. */
  exportModel?(request: unknown): ExportRequest | undefined | Promise<ExportRequest | undefined>
  /**
   * Returns whether a page may send requests, by its URL. Default: pages that are not from the
   * network: those of `file:`, of custom protocols, and of a server on this machine.
   */
  isTrusted?(url: string): boolean
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** Default of `WindowHandlers.isTrusted`. */
export function isLocalPage(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  if (protocol === 'http:' || protocol === 'https:') return LOOPBACK.includes(hostname)
  return !['data:', 'blob:', 'filesystem:', 'about:', 'javascript:'].includes(protocol)
}
