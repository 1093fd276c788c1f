-- A person to look around with, and notes to look at. Loaded once by `plinth dev`.

insert into auth.users (id, aud, role, email, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
values (
  'a0000000-0000-4000-8000-000000000001', 'authenticated', 'authenticated', 'sample@example.com',
  '{"provider": "email", "providers": ["email"]}', '{"name": "Sample"}', now(), now()
);

insert into notes (owner, title, body, tags, pinned) values
  ('a0000000-0000-4000-8000-000000000001', 'Welcome', 'Notes are seen by those who wrote them.', '{intro}', true),
  ('a0000000-0000-4000-8000-000000000001', 'Groceries', 'Bread, apples, tea', '{home,errands}', false);
