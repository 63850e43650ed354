// Compares the speed of two builds of residual in interleaved rounds, for example before and after
// a change:
//
//   node scripts/bench/compare-builds.mjs OTHER_CHECKOUT
//   node scripts/bench/compare-builds.mjs OTHER_CHECKOUT --case train-resnet20,jpeg-folder --data photos
//
// Both checkouts must be built (`npm run build`, and for jpeg-folder `cargo build --release
// --target x86_64-unknown-linux-gnu --workspace --example bench_batches`). Prints one line for each
// case: the median ratio of the values of this build to those of the other build, the worst round
// and the spread. The values are images per second (more than 1: this build is faster) or, for
// first-step, seconds.

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { BuildError } from '../setup/error.mjs'
import { ROOT, runScript } from '../setup.mjs'
import { compareVariants, VARIANT_CASES } from './variants.mjs'

await runScript(import.meta.url, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      case: { type: 'string', default: Object.keys(VARIANT_CASES).join(',') },
      data: { type: 'string' },
      rounds: { type: 'string', default: '5' },
    },
  })
  const [other] = positionals
  if (other === undefined) throw new BuildError('expected the folder of another built checkout')
  const variants = [
    { key: 'this', label: 'this', root: ROOT },
    { key: 'other', label: 'other', root: resolve(other) },
  ]
  const config = {
    ...{ variants, rounds: Number(values.rounds) },
    ...(values.data === undefined ? {} : { data: resolve(values.data) }),
  }
  await compareVariants(config, values.case.split(','), (name, comparison) => {
    const { pairs, implementations, disturbed } = comparison
    const [{ median, worst, spread }] = pairs
    const values = implementations.map(({ label, median }) => `${label} ${median.toPrecision(4)}`)
    process.stdout.write(
      `${name}: ratio ${median.toFixed(3)} (worst round ${worst.toFixed(3)}, spread ` +
        `${spread.toFixed(3)}); ${values.join(', ')}${disturbed ? `; disturbed: ${disturbed}` : ''}\n`,
    )
  })
})
