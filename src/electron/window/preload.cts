/**
 * Preload script of a window: gives the page `window.residual`, a `TrainerBridge`. The script runs
 * in a sandbox, in which only `electron` can be required, and exposes no channel but its own.
 */
import type { MESSAGE_CHANNEL, REQUEST_CHANNEL, TrainerBridge } from './bridge.js' with {
  'resolution-mode': 'import',
}

const { contextBridge, ipcRenderer } = require('electron')

type Listener = Parameters<TrainerBridge['subscribe']>[0]

// The compiler checks that these are the channels of the main process, which cannot be imported.
const requestChannel: typeof REQUEST_CHANNEL = 'residual:request'
const messageChannel: typeof MESSAGE_CHANNEL = 'residual:message'

const listeners = new Set<Listener>()

function request(method: keyof TrainerBridge, ...args: unknown[]) {
  return ipcRenderer.invoke(requestChannel, { method, args })
}

ipcRenderer.on(messageChannel, (_event: unknown, message: Parameters<Listener>[0]) => {
  for (const listener of listeners) listener(message)
})

const bridge: TrainerBridge = {
  subscribe(listener) {
    listeners.add(listener)
    // The snapshot that answers reaches all listeners of the page.
    void request('subscribe')
    return () => void listeners.delete(listener)
  },
  train: (settings) => request('train', settings),
  pause: () => request('pause'),
  resume: () => request('resume'),
  stop: () => request('stop'),
  predict: (image, config) => request('predict', image, config),
  exportModel: (settings) => request('exportModel', settings),
}

contextBridge.exposeInMainWorld('residual', bridge)
