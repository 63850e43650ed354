/**
 * The module `residual` of the example project, with training and benchmarks limited to a few
 * steps, so that the code blocks of the documentation run unchanged.
 */
import * as real from 'residual'

export * from 'residual'

/** Steps of a new run. */
const STEPS = 2
/** Total steps of a resumed run, including those before it was stopped. */
const RESUMED_STEPS = 3

/** Small replacements for data sets that are large or not available, as paths in the project. */
const SMALL_DATA: Record<string, real.DataConfig> = {
  cifar10: { source: './small/cifar10', validation: 0.2 },
  'fashion-mnist-mini': { source: './small/fashion-mnist-mini', validation: 0.2 },
  './imagenet': { source: './small/imagenet', validation: 0.2, imageSize: 32 },
}

/** Returns arguments that shorten a command when they are appended to it. */
export function shortArguments(args: readonly string[]): string[] {
  const [verb, subcommand] = args
  if (verb === 'bench') return ['--rounds', '1', '--seconds', '0.1', 'threads=1']
  const dataKeys = args.flatMap((arg) => Object.entries(SMALL_DATA[arg] ?? {}))
  const data = dataKeys.map(([key, value]) => `data.${key}=${value}`)
  if (verb === 'find-lr') return ['--steps', '10', 'threads=1', 'workers=1', ...data]
  const trains = verb === 'train' || (verb === 'experiment' && subcommand !== 'ensemble')
  if (!trains) return []
  const steps = args.includes('--resume') ? RESUMED_STEPS : STEPS
  const seeds = args.includes('--seeds') ? ['--seeds', '1'] : []
  return [`budget.steps=${steps}`, 'threads=1', 'workers=1', ...data, ...seeds]
}

function shorten<Config extends real.TrainConfig>(config: Config): Config {
  const steps = config.resume === undefined ? STEPS : RESUMED_STEPS
  const short = { threads: 1, workers: 1, ...config, budget: { ...config.budget, steps } }
  const data = typeof config.data === 'string' ? { source: config.data } : config.data
  const small = SMALL_DATA[data?.source ?? '']
  return small === undefined ? short : { ...short, data: { ...data, ...small } }
}

export const train: typeof real.train = (config, options) => real.train(shorten(config), options)

export const findLr: typeof real.findLr = (config, options) =>
  real.findLr(shorten(config), { ...options, steps: 10 })

export const bench: typeof real.bench = (config) => {
  const settings = typeof config === 'string' ? { model: config } : config
  return real.bench({
    ...settings,
    batchSize: 2,
    imageSize: 32,
    rounds: 1,
    seconds: 0.1,
    threads: 1,
  })
}

export const experiment: real.Experiments = {
  degradation: (config, options) => real.experiment.degradation(shorten(config), options),
  repeat: (config, options) => real.experiment.repeat(shorten(config), options),
  ensemble: real.experiment.ensemble,
}
