// node scripts/release/notes.mjs v0.2.0: prints the notes of a release, for release.yml. Imports no
// npm package, because the job that creates the release installs none.

import { fileURLToPath } from 'node:url'
import { releaseNotes } from './changelog.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const [tag = ''] = process.argv.slice(2)
process.stdout.write(await releaseNotes(ROOT, tag.replace(/^v/, '')))
