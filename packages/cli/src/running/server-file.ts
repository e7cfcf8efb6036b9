import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a running server leaves in its data directory, so that other commands find it. */
export interface ServerFile {
  readonly url: string
  readonly pid: number
}

const pathIn = (dataDir: string): string => join(dataDir, 'server.json')

export function writeServerFile(dataDir: string, url: string): void {
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(pathIn(dataDir), `${JSON.stringify({ url, pid: process.pid } satisfies ServerFile)}\n`)
}

/** Only its own: another server may have taken the directory over since. */
export function removeServerFile(dataDir: string): void {
  if (readServerFile(dataDir)?.pid === process.pid) rmSync(pathIn(dataDir), { force: true })
}

export function readServerFile(dataDir: string): ServerFile | undefined {
  try {
    const { url, pid } = JSON.parse(readFileSync(pathIn(dataDir), 'utf8')) as Partial<ServerFile>
    return typeof url === 'string' && typeof pid === 'number' ? { url, pid } : undefined
  } catch {
    return undefined
  }
}

/** The address under which this machine reaches a server bound to `host`. */
export function reachableUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
