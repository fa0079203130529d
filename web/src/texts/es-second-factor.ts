/** The texts about signing in with an authenticator app, in Spanish. */

import type { secondFactorTexts as english } from "./en-second-factor";

export const secondFactorTexts: typeof english = {
  title: "Inicio de sesión en dos pasos",
  off: "Con una aplicación de autenticación, quien averigüe tu contraseña no puede entrar en tu cuenta.",
  lacking: "Esta tienda pide un segundo paso a quienes gestionan eventos. Hasta que lo configures, puedes comprar, pero no gestionar.",
  on: "Está activado: al iniciar sesión, te pedimos un código de tu aplicación de autenticación.",
  begin: "Configurar una aplicación",
  another: "Usar otra aplicación",
  scan: "Escanea esta imagen con tu aplicación de autenticación o escribe en ella la clave. Después, introduce las seis cifras que muestra.",
  qr: "Código QR con la clave de abajo",
  key: "Clave",
  digits: "Seis cifras",
  confirm: "Activar",
  codesTitle: "Tus códigos de recuperación",
  codesText: "Si pierdes el teléfono, cada uno de estos códigos sustituye una vez a la aplicación. Solo los mostramos ahora: imprímelos o guárdalos donde guardas tus contraseñas. Hemos cerrado la sesión en tus otros dispositivos.",
  saved: "Los he guardado",
  remove: "Desactivarlo",
  removeNow: "Desactivar",
  code: "Código de la aplicación o de recuperación",
  appCode: "Código de tu aplicación de autenticación",
  appCodeNote: "O uno de tus códigos de recuperación.",
  failures: {
    second_factor_required: "Este código no es correcto o ya se ha usado. Introduce el que muestra ahora tu aplicación de autenticación o uno de tus códigos de recuperación.",
    no_second_factor: "Tu cuenta no tiene aplicación de autenticación o se acaba de cambiar. Empieza de nuevo.",
    address_not_verified: "Primero confirma tu correo electrónico: abre el enlace que te enviamos. Arriba puedes pedirlo otra vez.",
  } as Record<string, string>,
};
