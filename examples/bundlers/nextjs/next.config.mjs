export default {
  // Native addons cannot be bundled: Node imports the package from node_modules.
  serverExternalPackages: ['residual'],
  // `output: 'standalone'` copies only files that it finds in the code. Libraries and data are not.
  outputFileTracingIncludes: {
    '/train': ['./node_modules/residual/**', './node_modules/@residual/**'],
  },
}
