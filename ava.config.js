export default {
  // Tests in TypeScript are compiled to target/ava by `tsc --project tsconfig.test.json`.
  files: ['target/ava/__test__/**/*.test.js', '__test__/**/*.test.mjs'],
  nodeArguments: ['--enable-source-maps'],
  // The addon owns threads of its own and ends them with the process.
  workerThreads: false,
  // No test depends on the network: what is fetched, a test serves itself (download/server.ts).
  environmentVariables: { RESIDUAL_OFFLINE: '1' },
  timeout: '5m',
}
