import { build } from 'esbuild'

await build({
  entryPoints: ['src/main.ts'],
  outfile: 'dist/main.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  // Native addons cannot be bundled: Node imports the package from node_modules.
  external: ['residual'],
})
