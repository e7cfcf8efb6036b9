const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
const FORM = /^(1[0-2]|0?[1-9]):([0-5]\d) (am|pm) on ([1-9]|[12]\d|3[01]) ([A-Z][a-z]+), (\d{4})$/

/** A time such as `1:56 pm on 8 May, 2023`, read as UTC; undefined when it is no such time or no day of the calendar. */
export function parseLocomoDate(text: string): Date | undefined {
  const [, hour, minute, half, day, monthName, year] = FORM.exec(text) ?? []
  const month = MONTHS.indexOf(monthName ?? '')
  if (month < 0 || Number(year) < 1000) return undefined
  const date = new Date(Date.UTC(Number(year), month, Number(day), (Number(hour) % 12) + (half === 'pm' ? 12 : 0), Number(minute)))
  return date.getUTCDate() === Number(day) ? date : undefined
}
