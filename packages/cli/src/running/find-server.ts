import { readServerFile } from './server-file.ts'

/** The health report of a Cairn, as far as it is used here. */
export interface HealthAnswer {
  readonly status: string
  readonly checks: readonly { readonly name: string; readonly status: string; readonly message: string }[]
}

/** Longer than a machine stands still under load: who is taken for dead while it lives is found to have locked the directory. */
const ANSWER_MS = 10_000

/** The health report of the Cairn at `url`; undefined when nothing answers there, or something else does. */
export async function askHealth(url: string, timeoutMs = ANSWER_MS): Promise<HealthAnswer | undefined> {
  try {
    const response = await fetch(new URL('/health', url), { signal: AbortSignal.timeout(timeoutMs), headers: { connection: 'close' } })
    const body = (await response.json()) as Partial<HealthAnswer> | null
    return typeof body?.status === 'string' && Array.isArray(body.checks) ? (body as HealthAnswer) : undefined
  } catch {
    return undefined
  }
}

/** The address of the Cairn that has this data directory open and answers. */
export async function findRunningServer(dataDir: string): Promise<string | undefined> {
  const file = readServerFile(dataDir)
  if (file === undefined || !isRunning(file.pid)) return undefined
  return (await askHealth(file.url)) === undefined ? undefined : file.url
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
