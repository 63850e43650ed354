import { defineConfig } from 'vite'

export default defineConfig({
  // Native addons cannot be bundled: Node imports the package from node_modules. Needed only with
  // `ssr.noExternal`, because Vite leaves dependencies out of an SSR build by default.
  ssr: { external: ['residual'] },
})
