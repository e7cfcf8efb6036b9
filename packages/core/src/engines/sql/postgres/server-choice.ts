import type pg from 'pg'

/**
 * Which of the servers of a URL is used. Pools that lead to the same servers share one choice, so that after a failover
 * all of them move together.
 */
export class ServerChoice {
  readonly configs: readonly pg.ClientConfig[]
  #shared: { index: number }

  constructor(configs: readonly pg.ClientConfig[], shared: { index: number } = { index: 0 }) {
    this.configs = configs
    this.#shared = shared
  }

  get several(): boolean {
    return this.configs.length > 1
  }

  get current(): pg.ClientConfig {
    return this.configs[this.#shared.index % this.configs.length] as pg.ClientConfig
  }

  /** For another pool with the same servers and, perhaps, another login. */
  alike(configs: readonly pg.ClientConfig[]): ServerChoice {
    return new ServerChoice(configs, this.#shared)
  }

  /** `failed` does not serve; unless another call has gone on already, the next one is tried. */
  advance(failed: pg.ClientConfig): void {
    if (failed === this.current) this.#shared.index = (this.#shared.index + 1) % this.configs.length
  }
}
