/** The texts about the company on an invoice, in English. */

export const invoiceTexts = {
  wanted: "I need an invoice for a company",
  company: "Company",
  address: "Address for the invoice",
  country: "Country code for an electronic invoice (optional)",
  countryForm: "Two letters, such as PT or DE",
  vatId: "VAT ID (optional)",
  vatIdForm: "4 to 30 letters and digits, such as PT501234567",
};
