/** The texts about signing in through the operator's identity provider, in Spanish. */

import type { staffTexts as english } from "./en-staff-sign-in";

export const staffTexts: typeof english = {
  begin: "Acceso para el personal",
  working: "Iniciando tu sesión…",
  failures: {
    staff_sign_in_denied: "El servicio de inicio de sesión no te ha dejado entrar. Empieza de nuevo o usa tu contraseña.",
    staff_sign_in_expired: "Este inicio de sesión ha tardado demasiado, ya se ha usado o empezó en otro navegador. Empieza de nuevo.",
    staff_sign_in_refused: "El servicio de inicio de sesión no ha confirmado quién eres. Empieza de nuevo. Si vuelve a fallar, avisa a quienes gestionan esta tienda.",
    staff_address_refused: "El servicio de inicio de sesión no ha verificado tu correo electrónico, o con tu dirección no se puede entrar de esta forma.",
    staff_sign_in_unavailable: "El servicio de inicio de sesión no responde. Inténtalo dentro de un minuto o usa tu contraseña.",
  } as Record<string, string>,
};
