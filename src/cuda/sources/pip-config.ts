import { join } from 'node:path'
import type { System } from '../../native/system.js'

/** The settings of pip that say where and how packages are downloaded. */
export interface PipConfig {
  /** URL of the package index; undefined if pip's default index is used. */
  indexUrl: string | undefined
  extraIndexUrls: string[]
  /** Folders and web pages with wheels. */
  findLinks: string[]
  /** Whether only `findLinks` is used. */
  noIndex: boolean
  /** File with certificate authorities. */
  cert: string | undefined
  proxy: string | undefined
}

/** The environment that the settings of pip are read from. */
export interface PipEnvironment {
  env: NodeJS.ProcessEnv
  home: string | undefined
  /** `sys.prefix` of Python; undefined without Python. */
  prefix: string | undefined
}

/** Sections of pip's configuration files that apply to downloads; later ones take precedence. */
const SECTIONS = ['global', 'install', 'download']

/**
 * Reads the settings of pip from its configuration files and environment variables, in the order
 * and with the precedence of `pip config list`. pip itself need not be installed.
 */
export function readPipConfig(system: Pick<System, 'read'>, from: PipEnvironment): PipConfig {
  const settings = new Map<string, string>()
  const texts = configFiles(system, from).map((path) => system.read(path) ?? '')
  const files = texts.map(parseIni)
  for (const section of SECTIONS) {
    for (const file of files) {
      for (const [key, value] of file.get(section) ?? []) if (value !== '') settings.set(key, value)
    }
  }
  for (const [name, value = ''] of Object.entries(from.env)) {
    if (/^PIP_/.test(name) && value !== '') settings.set(normalizeKey(name.slice(4)), value)
  }
  const list = (key: string) => settings.get(key)?.split(/\s+/).filter(Boolean) ?? []
  return {
    indexUrl: settings.get('index-url') ?? settings.get('pypi-url'),
    extraIndexUrls: list('extra-index-url'),
    findLinks: list('find-links'),
    noIndex: /^(1|true|yes|on|y|t)$/i.test(settings.get('no-index') ?? ''),
    cert: settings.get('cert') ?? from.env.REQUESTS_CA_BUNDLE ?? from.env.CURL_CA_BUNDLE,
    proxy: settings.get('proxy'),
  }
}

/** Lists pip's configuration files from the lowest to the highest precedence. */
function configFiles(
  system: Pick<System, 'read'>,
  { env, home, prefix }: PipEnvironment,
): string[] {
  const { PIP_CONFIG_FILE: named, XDG_CONFIG_DIRS, XDG_CONFIG_HOME } = env
  if (named === '/dev/null') return []
  const global = (XDG_CONFIG_DIRS || '/etc/xdg').split(':').filter(Boolean)
  const userDir = XDG_CONFIG_HOME || (home && join(home, '.config'))
  const isNamed = named !== undefined && system.read(named) !== undefined
  return [
    ...global.reverse().map((dir) => join(dir, 'pip', 'pip.conf')),
    '/etc/pip.conf',
    ...(home === undefined || isNamed ? [] : [join(home, '.pip', 'pip.conf')]),
    ...(userDir === undefined || isNamed ? [] : [join(userDir, 'pip', 'pip.conf')]),
    ...(prefix === undefined ? [] : [join(prefix, 'pip.conf')]),
    ...(named === undefined ? [] : [named]),
  ]
}

/** Parses an INI file as Python's `RawConfigParser` does; ignores lines that it would reject. */
function parseIni(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>()
  let section: Map<string, string> | undefined
  let key: string | undefined
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    const content = line.trim()
    if (content === '' || /^[#;]/.test(content)) continue
    const header = /^\[(.+)\]$/.exec(content)?.[1]
    if (/^\s/.test(line) && key !== undefined) {
      section?.set(key, `${section.get(key)}\n${content}`.trim())
    } else if (header !== undefined) {
      section = sections.get(header) ?? new Map()
      sections.set(header, section)
      key = undefined
    } else {
      const [, name, value = ''] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content) ?? []
      key = name && normalizeKey(name)
      if (key !== undefined) section?.set(key, value)
    }
  }
  return sections
}

function normalizeKey(name: string): string {
  return name.toLowerCase().replaceAll('_', '-').replace(/^--/, '')
}
