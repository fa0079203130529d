/** Finds the reason for a failed attempt in the error of the mail provider (chalicelib/notifications/providers.py, delivery.py). */

const REASONS = [
  ["recipient", /^recipient refused/],
  ["content", /^content refused|^MessageRejected$|^BadRequestException$/],
  ["sender", /^SMTPSenderRefused$|^MailFromDomainNotVerifiedException$/],
  ["credentials", /^SMTPAuthenticationError$|^AccessDeniedException$|^UnrecognizedClientException$|^InvalidSignatureException$/],
  ["suspended", /^AccountSuspendedException$|^SendingPausedException$/],
  ["limit", /^(LimitExceeded|Throttling|TooManyRequests)Exception|^daily limit|^too many emails/],
  ["not_composed", /^not composed: /],
  ["unreachable", /timeout|connect|^gaierror$|^SSL|^SMTPHeloError$|^OSError$/i],
] as const;

export type FailureReason = (typeof REASONS)[number][0];

/** The reason for a failed attempt; null if the error is not known. */
export function failureReason(error: string): FailureReason | null {
  return REASONS.find(([, pattern]) => pattern.test(error))?.[0] ?? null;
}
