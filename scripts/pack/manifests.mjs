/** @typedef {import('./tarball.mjs').Manifest} Manifest */
/** @typedef {import('../../src/native/prebuilt-platforms.js').Platform} Platform */

/**
 * Creates the package.json of the two packages of a platform from its row in the platform table.
 *
 * @param {string} name name of the platform
 * @param {Platform} platform
 * @param {Manifest} clone package.json of the repository
 * @returns {{ addons: Manifest, libtorch: Manifest }}
 */
export function platformManifests(name, { os, cpu, libc, title, libtorch }, clone) {
  const { version, engines, repository } = clone
  const machine = {
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    // Yarn keeps packages in zip files, from which native libraries cannot be loaded.
    preferUnplugged: true,
  }
  const folder = (/** @type {string} */ directory) => ({
    .../** @type {object} */ (repository),
    directory: `bindings/npm/${directory}`,
  })
  return {
    addons: {
      name: `@residual/${name}`,
      version,
      description: `Native addons of residual for ${title}`,
      license: 'MIT',
      repository: folder(name),
      engines,
      ...machine,
      publishConfig: { access: 'public' },
    },
    libtorch: {
      name: `@residual/${libtorch.name}`,
      version,
      description: `CPU libraries of PyTorch for residual on ${title}`,
      license: 'SEE LICENSE IN README.md',
      repository: folder(libtorch.name),
      ...machine,
      publishConfig: { access: 'public' },
    },
  }
}

/**
 * Creates the package.json of `residual` for publication: without the entries that only serve a
 * clone, and with the platform packages as optional dependencies, of which npm installs those that
 * match the machine.
 *
 * @param {Manifest} clone package.json of the repository
 * @param {readonly Manifest[]} platformPackages
 * @returns {Manifest}
 */
export function publishedManifest(clone, platformPackages) {
  const { scripts: _, devDependencies: __, napi: ___, imports: ____, ...published } = clone
  return {
    ...published,
    name: clone.name,
    version: clone.version,
    // The core reads the included images, which Yarn's Plug'n'Play would keep in an archive.
    preferUnplugged: true,
    optionalDependencies: Object.fromEntries(
      platformPackages.map(({ name, version }) => [name, version]),
    ),
  }
}
