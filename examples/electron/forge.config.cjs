/** Configuration of Electron Forge. */
module.exports = {
  packagerConfig: {
    // Native libraries cannot be loaded from an archive. The training process runs outside it, with
    // all packages that it imports.
    asar: { unpackDir: 'node_modules' },
    ignore: [/^\/(out|dist)($|\/)/, /^\/(electron-builder\.yml|forge\.config\.cjs)$/],
    appBundleId: 'com.example.pictures',
    osxSign: {
      optionsForFile: () => ({ entitlements: 'entitlements.mac.plist', hardenedRuntime: true }),
    },
    ...(process.env.APPLE_ID && {
      osxNotarize: {
        appleId: process.env.APPLE_ID,
        appleIdPassword: process.env.APPLE_PASSWORD,
        teamId: process.env.APPLE_TEAM_ID,
      },
    }),
  },
  makers: [
    { name: '@electron-forge/maker-deb' },
    { name: '@electron-forge/maker-zip', platforms: ['darwin', 'linux'] },
    { name: '@electron-forge/maker-squirrel' },
  ],
}
