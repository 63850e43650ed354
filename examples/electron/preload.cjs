/** Preload script: the functions of this application. `window.residual` has a script of its own. */
const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('pictures', {
  /** Opens a dialog. Returns the folder, or null. */
  chooseFolder: () => ipcRenderer.invoke('pictures:choose-folder'),
  /** Returns the folder that was chosen before, or null. */
  currentFolder: () => ipcRenderer.invoke('pictures:current-folder'),
})
