/** Decimal digits of a float from its exact binary value, as Python rounds and formats. */

/** Rounds the exact value of the float, halves to even, as Python's round does. */
export function roundHalfEven(value: number, precision: number): number {
  if (!Number.isFinite(value) || precision > 320) return value;
  if (precision < -310) return value < 0 ? -0 : 0;
  return Number(fixedDigits(value, precision));
}

/** The float's exact value with so many decimals, halves to even; a negative count rounds before the point. */
export function fixedDigits(value: number, precision: number): string {
  const negative = value < 0 || Object.is(value, -0);
  const [numerator, shift] = exactBinary(Math.abs(value));
  const decimals = Math.max(precision, 0);
  // value = numerator / 2^shift; scaled by 10^precision it is rounded to a whole number.
  const scaled = precision >= 0 ? numerator * 10n ** BigInt(precision) : numerator;
  const unit = (precision < 0 ? 10n ** BigInt(-precision) : 1n) << BigInt(shift);
  let whole = scaled / unit;
  const twice = (scaled % unit) * 2n;
  if (twice > unit || (twice === unit && whole % 2n === 1n)) whole += 1n;
  if (precision < 0) whole *= 10n ** BigInt(-precision);
  const digits = whole.toString().padStart(decimals + 1, "0");
  const point = digits.length - decimals;
  const text = decimals === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return negative ? `-${text}` : text;
}

/** `[n, s]` with value = n / 2^s exactly. */
function exactBinary(value: number): [bigint, number] {
  let shift = 0;
  let scaled = value;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    shift++;
  }
  return [BigInt(scaled), shift];
}
