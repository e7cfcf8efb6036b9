/** Loaded before a program: its Date is CAIRN_CLOCK_SHIFT_MS away from the truth. */
const shift = Number(process.env['CAIRN_CLOCK_SHIFT_MS'] ?? 0)
const RealDate = Date

globalThis.Date = new Proxy(RealDate, {
  construct: (target, parameters: unknown[], made) => (parameters.length > 0 ? Reflect.construct(target, parameters, made) : Reflect.construct(target, [target.now() + shift], made)) as object,
  get: (target, name, receiver) => (name === 'now' ? () => target.now() + shift : (Reflect.get(target, name, receiver) as unknown)),
})
