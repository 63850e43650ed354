/**
 * What the pages' programs import as `residual`: the real one, in which whatever trains or measures
 * does so briefly, whatever a page says. The pages' own words stay as readers have them.
 */
import * as real from 'residual'

export * from 'residual'

/** Updates that a run makes; more for one that is gone on with, which has made some. */
const STEPS = 2
const RESUMED_STEPS = 3

/** What takes the place of data that is large or not there; paths in the project. */
const FEW: Record<string, real.DataConfig> = {
  cifar10: { source: './few/cifar10', validation: 0.2 },
  'fashion-mnist-mini': { source: './few/fashion-mnist-mini', validation: 0.2 },
  './imagenet': { source: './few/imagenet', validation: 0.2, imageSize: 32 },
}

/** The same for `residual` on the command line, as words to put behind the page's. */
export function briefly(words: readonly string[]): string[] {
  const [verb, inner] = words
  if (verb === 'bench') return ['--rounds', '1', '--seconds', '0.1', 'threads=1']
  const few = words.flatMap((word) => Object.entries(FEW[word] ?? {}))
  const data = few.map(([key, value]) => `data.${key}=${value}`)
  if (verb === 'find-lr') return ['--steps', '10', 'threads=1', 'workers=1', ...data]
  const trains = verb === 'train' || (verb === 'experiment' && inner !== 'ensemble')
  if (!trains) return []
  const steps = words.includes('--resume') ? RESUMED_STEPS : STEPS
  const seeds = words.includes('--seeds') ? ['--seeds', '1'] : []
  return [`budget.steps=${steps}`, 'threads=1', 'workers=1', ...data, ...seeds]
}

function brief<Config extends real.TrainConfig>(config: Config): Config {
  const steps = config.resume === undefined ? STEPS : RESUMED_STEPS
  const short = { threads: 1, workers: 1, ...config, budget: { ...config.budget, steps } }
  const data = typeof config.data === 'string' ? { source: config.data } : config.data
  const few = FEW[data?.source ?? '']
  return few === undefined ? short : { ...short, data: { ...data, ...few } }
}

export const train: typeof real.train = (config, options) => real.train(brief(config), options)

export const findLr: typeof real.findLr = (config, options) =>
  real.findLr(brief(config), { ...options, steps: 10 })

export const bench: typeof real.bench = (config) => {
  const { ...said } = typeof config === 'string' ? { model: config } : config
  return real.bench({ ...said, batchSize: 2, imageSize: 32, rounds: 1, seconds: 0.1, threads: 1 })
}

export const experiment: real.Experiments = {
  degradation: (config, options) => real.experiment.degradation(brief(config), options),
  repeat: (config, options) => real.experiment.repeat(brief(config), options),
  ensemble: real.experiment.ensemble,
}
