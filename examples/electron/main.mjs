/** Main process of the application. */
import * as electron from 'electron'
import { Application } from './application.mjs'

electron.protocol.registerSchemesAsPrivileged([
  { scheme: 'app', privileges: { standard: true, secure: true } },
])
electron.app.on('window-all-closed', () => electron.app.quit())
await electron.app.whenReady()

const application = new Application(electron, electron.app.getPath('userData'))
electron.protocol.handle('app', (request) => application.serve(request))
await application.openWindow()
electron.app.on('activate', () => {
  if (electron.BrowserWindow.getAllWindows().length === 0) application.openWindow()
})
