/** What buyers read about a promoter, for the promoter to write. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useLoaded } from "../../parts/hooks";
import { manager } from "../api";
import { AreaField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { formTexts } from "../texts/forms";
import { profileTexts } from "../texts/profile";
import { useMe } from "../who";

type Profile = Schemas["PromoterView"];

const path = (promoter_id: string) => ({ params: { path: { promoter_id } } });
const toValues = ({ name, company, description, website, email }: Profile) => ({ name, company: company ?? "", description, website: website ?? "", email: email ?? "" });

/** As browsers read an address without one. */
const withScheme = (address: string) => (address && !/^https?:\/\//i.test(address) ? `https://${address}` : address);

export function ProfilePage() {
  const own = useRoomTexts(profileTexts);
  const me = useMe();
  const { value, failure, reload } = useLoaded(() => content(manager.GET("/promoters/{promoter_id}", path(me.id))), me.id);
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {value && <Editor loaded={value} />}
      {!value && (failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />)}
    </div>
  );
}

function Editor({ loaded }: { loaded: Profile }) {
  const own = useRoomTexts(profileTexts);
  const form = useRoomTexts(formTexts);
  const [profile, setProfile] = useState(loaded);
  const [values, setValues] = useState(toValues(loaded));
  const [isSaved, setSaved] = useState(false);
  const draft = {
    values,
    set: (changes: Partial<typeof values>) => {
      setSaved(false);
      setValues({ ...values, ...changes });
    },
  };
  const saved = toValues(profile);
  const losesVerification = profile.verified && (["name", "company", "website"] as const).some((name) => saved[name] !== values[name].trim());
  const save = async () => {
    const { name, company, description, website, email } = values;
    const body = { name: name.trim(), company: company.trim() || null, description, website: withScheme(website.trim()) || null, email: email.trim() || null };
    const changed = await content(manager.PUT("/promoters/{promoter_id}", { ...path(profile.id), body }));
    setProfile(changed);
    setValues(toValues(changed));
    setSaved(true);
  };
  return (
    <>
      <p class="notice" role="status">
        {profile.verified ? own.verified : own.unverified}
      </p>
      <Form onSubmit={save} button={form.save}>
        {(errorOf) => (
          <>
            <TextField name="name" label={own.name} note={own.nameNote} required maxLength={200} draft={draft} errorOf={errorOf} />
            <TextField name="company" label={own.company} maxLength={200} draft={draft} errorOf={errorOf} />
            <TextField name="website" label={own.website} maxLength={500} draft={draft} errorOf={(name) => errorOf(name) && own.websiteError} />
            <TextField name="email" label={own.email} note={own.emailNote} type="email" maxLength={254} draft={draft} errorOf={errorOf} />
            <AreaField name="description" label={own.description} maxLength={10000} rows={6} draft={draft} errorOf={errorOf} />
            {losesVerification && <p class="notice">{own.losesVerification}</p>}
          </>
        )}
      </Form>
      <p role="status" class={isSaved ? "saved" : "hidden"}>
        {isSaved && form.saved}
      </p>
    </>
  );
}
