import { afterAll, beforeAll } from 'vitest'
import { CliSandbox, type RunningCli } from './run-cli.ts'

/** A sandbox, and a server on a data directory in it, for all tests of the file or group that calls this. */
export function useServer(): { readonly sandbox: CliSandbox; readonly server: RunningCli & { readonly url: string } } {
  let sandbox: CliSandbox
  let server: RunningCli & { readonly url: string }
  beforeAll(async () => {
    sandbox = await CliSandbox.make()
    server = await sandbox.start(['--data-dir', await sandbox.dataDir('data')])
  })
  afterAll(async () => {
    await server?.kill('SIGTERM')
    await sandbox?.dispose()
  })
  return {
    get sandbox() {
      return sandbox
    },
    get server() {
      return server
    },
  }
}
