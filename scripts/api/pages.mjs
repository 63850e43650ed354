/** @typedef {import('./declarations.mjs').Declaration} Declaration */

/**
 * A page of the API reference, and a section of index.d.ts.
 *
 * @typedef {object} Page
 * @property {string} file
 * @property {string} title
 * @property {string} about
 * @property {string} [module] entry point of its functions and classes. Default: `residual`
 * @property {readonly string[]} names its main declarations in order; each is followed by the
 *   declarations that it mentions
 */

/**
 * All pages in order. `PRECEDENCE` decides where a declaration that several pages mention is placed.
 *
 * @type {readonly Page[]}
 */
export const PAGES = [
  {
    file: 'training.md',
    title: 'Training',
    about: 'Starting and controlling a run, and its results. [How training works](../training.md).',
    names: [
      ...['train', 'Run', 'plan', 'findLr', 'recipes', 'TrainOptions', 'TrainResult', 'RunEvent'],
      'RunEvaluation',
    ],
  },
  {
    file: 'configuration.md',
    title: 'Configuration',
    about:
      'The configuration of `train()`, `plan()` and `findLr()`, which is also the content of a ' +
      'configuration file and the set of `key=value` arguments of `residual train`. Every key is ' +
      'optional; `auto` selects the default.',
    names: ['TrainConfig'],
  },
  {
    file: 'models.md',
    title: 'Models',
    about:
      'Loading, prediction, evaluation, export, inspection and verification of trained networks.',
    names: ['loadModel', 'Model', 'predict', 'evaluate', 'exportModel', 'inspect', 'verify'],
  },
  {
    file: 'data.md',
    title: 'Data sets',
    about: 'Named data sets and previews. [Data formats](../data.md).',
    names: ['datasets', 'downloadDataset', 'verifyDataset', 'previewDataset', 'ArrayDataset'],
  },
  {
    file: 'experiments.md',
    title: 'Experiments',
    about: 'Comparisons of several runs. [Experiments](../experiments.md).',
    names: ['experiment', 'Experiments', 'EnsembleEvaluation'],
  },
  {
    file: 'pictures.md',
    title: 'Reports, dashboard and images',
    about: 'Visualizations. [Report](../report.md), [dashboard](../dashboard.md).',
    names: [
      'report',
      'dashboard',
      'Dashboard',
      'renderPredictionGallery',
      'renderPredictions',
      'makeGrid',
      'ImageGrid',
    ],
  },
  {
    file: 'electron.md',
    title: 'Electron',
    module: 'residual/electron',
    about:
      'Training in an Electron application: exports of `residual/electron`. [Guide](../guides/electron.md).',
    names: [
      ...['createTrainer', 'Trainer', 'TrainerSnapshot', 'TrainerMessage', 'TrainerBridge'],
      ...['preloadPath', 'ElectronModules'],
    ],
  },
  {
    file: 'machine.md',
    title: 'Machine',
    about: 'Checks and throughput of this machine, and the CUDA libraries ([CUDA](../cuda.md)).',
    names: [
      ...[
        'doctor',
        'bench',
        'planCudaSetup',
        'setupCuda',
        'downloadCuda',
        'verifyCuda',
        'removeCuda',
      ],
    ],
  },
  {
    file: 'errors.md',
    title: 'Errors',
    about:
      'Every error is a `ResidualError` with a `code` for programs, a location `at`, and a `hint` that ' +
      'describes the next step. [Error codes](../errors.md).',
    names: ['ResidualError', 'AbortError', 'ErrorCode', 'exitStatus'],
  },
  {
    file: 'resolved.md',
    title: 'Resolved configuration',
    about:
      'The content of `config.json` in a run folder and of the start event: the configuration with a ' +
      'value for every key. A resolved configuration is a valid input. The keys are documented under ' +
      '[Configuration](configuration.md).',
    names: ['ResolvedConfig'],
  },
]

/** Order in which pages take the declarations that they mention: specific pages first. */
const PRECEDENCE = [
  ...['errors.md', 'configuration.md', 'resolved.md', 'models.md', 'training.md', 'data.md'],
  ...['experiments.md', 'pictures.md', 'machine.md', 'electron.md'],
]

/**
 * Assigns each declaration to a page, in the order in which the page mentions them.
 *
 * @param {ReadonlyMap<string, Declaration>} declarations
 * @param {readonly Page[]} [pages]
 * @returns {Map<string, string[]>} names by file of the page
 */
export function assignPages(declarations, pages = PAGES) {
  /** @type {Map<string, string>} */
  const owner = new Map()
  for (const { file, names } of pages) {
    for (const name of names) {
      if (!declarations.has(name)) throw new Error(`scripts/api/pages.mjs: ${name} does not exist`)
      owner.set(name, file)
    }
  }
  /** @type {Map<string, string[]>} */
  const assigned = new Map()
  for (const file of PRECEDENCE) {
    const names = pages.find((candidate) => candidate.file === file)?.names ?? []
    /** @type {string[]} */
    const page = []
    const take = (/** @type {string} */ name) => {
      if (owner.has(name)) return
      owner.set(name, file)
      page.push(name)
      for (const other of declarations.get(name)?.mentions ?? []) take(other)
    }
    for (const name of names) {
      page.push(name)
      for (const other of declarations.get(name)?.mentions ?? []) take(other)
    }
    assigned.set(file, page)
  }
  for (const name of declarations.keys()) {
    if (owner.has(name)) continue
    throw new Error(`scripts/api/pages.mjs: no page contains ${name}`)
  }
  return assigned
}
