/** @typedef {import('./declarations.mjs').Declaration} Declaration */

/**
 * A page of the API reference: what is looked for together.
 *
 * @typedef {object} Plan
 * @property {string} file
 * @property {string} title
 * @property {string} about
 * @property {readonly string[]} names what it is about, in this order; what only these mention, comes after
 */

/**
 * All pages. What several of them mention stands on the first of those in `CLAIMS`, below.
 *
 * @type {readonly Plan[]}
 */
export const PLANS = [
  {
    file: 'training.md',
    title: 'Training',
    about:
      'Starting a run, following it, and what comes out of it. [How training works](../training.md).',
    names: [
      ...['train', 'Run', 'plan', 'findLr', 'recipes', 'TrainOptions', 'TrainResult', 'RunEvent'],
      'RunEvaluation',
    ],
  },
  {
    file: 'configuration.md',
    title: 'Configuration',
    about:
      'What `train()`, `plan()` and `findLr()` take, what `residual train` takes as `key=value`, and what a ' +
      'configuration file holds. Every key may be left out; `auto` is the same as leaving it out.',
    names: ['TrainConfig'],
  },
  {
    file: 'models.md',
    title: 'Trained networks',
    about: 'Loading a network, asking it, measuring it, taking it elsewhere.',
    names: ['loadModel', 'Model', 'predict', 'evaluate', 'exportModel', 'inspect'],
  },
  {
    file: 'data.md',
    title: 'Data sets',
    about: 'Named data sets, and looking at images. [What can be read](../data.md).',
    names: ['datasets', 'downloadDataset', 'verifyDataset', 'previewDataset'],
  },
  {
    file: 'experiments.md',
    title: 'Experiments',
    about: 'Several runs, and what they say together. [What each does](../experiments.md).',
    names: ['experiment', 'Experiments', 'EnsembleEvaluation'],
  },
  {
    file: 'pictures.md',
    title: 'Reports, the live page, pictures',
    about: 'What there is to see. [The report](../report.md), [the live page](../dashboard.md).',
    names: [
      'report',
      'dashboard',
      'Dashboard',
      'renderPredictionGallery',
      'renderPredictions',
      'makeGrid',
      'Picture',
    ],
  },
  {
    file: 'machine.md',
    title: 'This machine',
    about: 'Whether it can train, and how fast.',
    names: ['doctor', 'bench'],
  },
  {
    file: 'errors.md',
    title: 'Errors',
    about:
      'Everything that goes wrong is a `ResidualError` with a code to branch on, a place to look at, and a ' +
      'hint that names the next thing to do. [What each code means](../errors.md).',
    names: ['ResidualError', 'AbortError', 'ErrorCode', 'exitStatus'],
  },
  {
    file: 'resolved.md',
    title: 'A resolved configuration',
    about:
      "What a run's `config.json` and its start event hold: every value decided, also those that were left " +
      'out. It is itself a configuration that can be trained again. What the keys mean is said under ' +
      '[Configuration](configuration.md).',
    names: ['ResolvedConfig'],
  },
]

/** Who takes what is mentioned in several places: the particular before the general. */
const CLAIMS = [
  ...['errors.md', 'configuration.md', 'resolved.md', 'models.md', 'training.md', 'data.md'],
  ...['experiments.md', 'pictures.md', 'machine.md'],
]

/**
 * Decides on which page each declaration stands, in the order in which a page comes to speak of it.
 *
 * @param {ReadonlyMap<string, Declaration>} declarations
 * @returns {Map<string, string[]>} names, by the page's file
 */
export function lay(declarations) {
  /** @type {Map<string, string>} */
  const owner = new Map()
  for (const { file, names } of PLANS) {
    for (const name of names) {
      if (!declarations.has(name))
        throw new Error(`scripts/api/pages.mjs: there is no ${name} any more`)
      owner.set(name, file)
    }
  }
  /** @type {Map<string, string[]>} */
  const laid = new Map()
  for (const file of CLAIMS) {
    const plan = PLANS.find((plan) => plan.file === file)
    /** @type {string[]} */
    const page = []
    const take = (/** @type {string} */ name) => {
      if (owner.has(name)) return
      owner.set(name, file)
      page.push(name)
      for (const other of declarations.get(name)?.mentions ?? []) take(other)
    }
    for (const name of plan?.names ?? []) {
      page.push(name)
      for (const other of declarations.get(name)?.mentions ?? []) take(other)
    }
    laid.set(file, page)
  }
  for (const name of declarations.keys()) {
    if (owner.has(name)) continue
    throw new Error(`scripts/api/pages.mjs does not say on which page ${name} stands`)
  }
  return laid
}
