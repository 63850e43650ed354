export default {
  mode: 'production',
  target: 'node20',
  entry: './src/main.js',
  output: { filename: 'main.js', module: true },
  experiments: { outputModule: true },
  // Native addons cannot be bundled: Node imports the package from node_modules.
  externals: { residual: 'module residual' },
}
