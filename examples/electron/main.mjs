/** Main process of the application. */
import * as electron from 'electron'
import isInstallerStart from 'electron-squirrel-startup'
import { Application } from './application.mjs'

const { app, protocol } = electron

// Squirrel also starts the application when it installs, updates or removes it on Windows. A second
// instance would write the same files; the first one shows its window instead.
if (isInstallerStart || !app.requestSingleInstanceLock()) app.quit()
else await start()

async function start() {
  protocol.registerSchemesAsPrivileged([
    { scheme: 'app', privileges: { standard: true, secure: true } },
  ])
  app.on('window-all-closed', () => app.quit())
  await app.whenReady()

  const application = new Application(electron, app.getPath('userData'))
  protocol.handle('app', (request) => application.serve(request))
  await application.openWindow()
  app.on('second-instance', () => application.showWindow())
  app.on('activate', () => application.showWindow())
}
