/** Numbers of a waitlist, which is counted once a minute. */

/** How many places at the front of a waitlist are counted exactly. */
export const EXACT_PLACES = 20;

/** A number rounded to two significant digits, so that nobody takes an estimate for a count. */
export const rounded = (count: number) => Number(count.toPrecision(2));
