// Downloads a data set that the argument describes as JSON. Prints a line when data arrives, and
// `done` at the end.

import { ensureDataset } from '../../../dist/download/dataset.js'

const POLICY = { connectTimeout: 10_000, idleTimeout: 10_000, attempts: 2, backoff: 1 }

const dataset = JSON.parse(process.argv[2])
await ensureDataset(
  dataset,
  {
    onDownload: ({ bytes, total }) => process.stdout.write(`${bytes === total ? 'all' : 'part'}\n`),
  },
  POLICY,
)
process.stdout.write('done\n')
