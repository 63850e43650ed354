import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createProject, errorLine, ONE_STEP } from './project.mjs'

/**
 * Measures the time from `npm install residual` in an empty folder, with an empty cache of npm and
 * a registry that has every package, to the end of the first training step.
 *
 * @param {{ folder: string, registry: import('./server.mjs').Registry, runs: number }} options
 * @returns {Promise<string>} the result in one sentence
 */
export async function measureFirstStep({ folder, registry, runs }) {
  /** @type {{ install: number, step: number }[]} */
  const times = []
  for (let index = 0; index <= runs; index++) {
    const parent = join(folder, `time-${index}`)
    const project = await createProject(join(parent, 'project'), registry)
    const installed = await project.run(['npm', 'install', 'residual'])
    if (installed.status !== 0) throw new Error(errorLine(installed.stderr))
    const trained = await project.run(['npx', '--offline', 'residual', ...ONE_STEP])
    if (trained.status !== 0) throw new Error(errorLine(trained.stderr))
    // The first run fills the registry.
    if (index > 0) times.push({ install: installed.seconds, step: trained.seconds })
    await rm(parent, { recursive: true, force: true })
  }
  const text = (/** @type {number[]} */ values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    return `${mean.toFixed(1)} s (SD ${Math.sqrt(squares / Math.max(1, values.length - 1)).toFixed(1)})`
  }
  const total = text(times.map(({ install, step }) => install + step))
  const install = text(times.map((time) => time.install))
  const step = text(times.map((time) => time.step))
  return `from install to the first step ${total}: install ${install}, first run ${step}; ${runs} runs`
}
