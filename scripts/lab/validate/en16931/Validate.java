import com.helger.io.resource.FileSystemResource;
import com.helger.phive.api.execute.ValidationExecutionManager;
import com.helger.phive.api.executorset.ValidationExecutorSetRegistry;
import com.helger.phive.api.validity.IValidityDeterminator;
import com.helger.phive.en16931.EN16931Validation;
import com.helger.phive.xml.source.IValidationSourceXML;
import com.helger.phive.xml.source.ValidationSourceXML;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;

/** Checks every file of a folder against the schema of its syntax (UBL 2.1 or CII) and EN 16931's rules; a line for each fault, and what it warns of. Exit code 1 on a fault. */
public final class Validate {
  public static void main(String[] arguments) throws IOException {
    var registry = new ValidationExecutorSetRegistry<IValidationSourceXML>();
    EN16931Validation.initEN16931(registry);
    var invoice = EN16931Validation.VID_UBL_INVOICE_1316;
    var creditNote = EN16931Validation.VID_UBL_CREDIT_NOTE_1316;
    var crossIndustry = EN16931Validation.VID_CII_1316;
    for (var id : List.of(invoice, creditNote, crossIndustry))
      System.out.println("rules " + id.getAsSingleID() + ": schema and EN 16931 Schematron");
    var files = new File(arguments[0]).listFiles();
    Arrays.sort(files);
    int faulty = 0;
    var warnings = new TreeMap<String, Integer>();
    for (File file : files) {
      var text = Files.readString(file.toPath());
      var rules = registry.getOfID(
          text.contains(":CrossIndustryInvoice:100\"") ? crossIndustry : text.contains(":CreditNote-2\"") ? creditNote : invoice);
      var found = ValidationExecutionManager.executeValidation(
          IValidityDeterminator.createDefault(), rules, ValidationSourceXML.create(new FileSystemResource(file)), Locale.ENGLISH);
      var errors = found.getAllErrors();
      if (errors.isNotEmpty()) faulty++;
      for (var each : found.getAllFailures()) if (!each.isError()) warnings.merge(each.getErrorText(Locale.ENGLISH), 1, Integer::sum);
      if (errors.isNotEmpty()) System.out.println("FAILED " + file.getName());
      errors.forEach(each -> System.out.println("       " + each.getErrorText(Locale.ENGLISH)));
    }
    warnings.forEach((text, count) -> System.out.println("warning, in " + count + " files: " + text));
    System.out.println(files.length - faulty + " of " + files.length + " files passed");
    System.exit(faulty == 0 ? 0 : 1);
  }
}
