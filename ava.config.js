export default {
  // Tests in TypeScript are compiled to target/ava by `tsc --project tsconfig.test.json`.
  files: ['target/ava/__test__/**/*.test.js', '__test__/**/*.test.mjs'],
  nodeArguments: ['--enable-source-maps'],
  // Tests run in child processes, because the threads of the addon end only with their process.
  workerThreads: false,
  // No test uses the network; tests of downloads start local servers (download/server.ts).
  environmentVariables: { RESIDUAL_OFFLINE: '1' },
  timeout: '5m',
}
