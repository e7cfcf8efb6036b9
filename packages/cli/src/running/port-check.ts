import { createServer } from 'node:net'
import { CairnError } from '@cairn/core'
import { askHealth } from './find-server.ts'
import { reachableUrl } from './server-file.ts'

/** Why nothing can listen there, as the system's error; undefined when the port is free. */
export function portProblem(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', resolve)
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)))
  })
}

/** Asked before the engines are opened, since that takes seconds. PORT_IN_USE, INVALID_OPTION for a host or port that cannot be bound. */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const problem = await portProblem(host, port)
  if (problem === undefined) return
  if (problem.code === 'EADDRINUSE') {
    const isCairn = (await askHealth(reachableUrl(host, port), 1_000)) !== undefined
    throw new CairnError('PORT_IN_USE', `Port ${port} on ${host} is taken by ${isCairn ? 'another Cairn that runs already' : 'another process'}.`, { cause: problem, details: { host, port } })
  }
  throw new CairnError('INVALID_OPTION', `Cannot listen on ${host}, port ${port}: ${problem.message}. Give another --host or --port.`, { cause: problem, details: { option: 'host', host, port } })
}
