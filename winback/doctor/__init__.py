"""`winback doctor`: looks at all that the system stands on, and says what to
do about what is wrong.

findings     what is said of one thing: good, worth knowing, wrong, or not there
kafka        broker, replicas, topics against shared/topics.py, a record written and read back, the
             detector's group
postgres     version, migrations, roles, row-level security (SQL in catalogue_store)
mail         the mail server
domain       SPF, DKIM, DMARC of the sender's domain, evaluated as receivers do
machine      settings that only make sense together, disks, clocks, the detector's folder
"""

from winback.doctor.cli import app as app
